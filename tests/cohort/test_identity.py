"""What looks as if it were about one person, and what does not."""

import pytest

from fiftyone_daebias.cohort.identity import identifying_column, looks_identifying


@pytest.mark.parametrize("name", [
    "Vorname", "Nachname", "Name", "Geburtsdatum", "Straße", "STRASSE", "PLZ", "Telefonnummer", "Hausarzt",
    "Versichertennummer", "Prénom", "NOM", "Date de naissance", "Adresse", "Médecin traitant", "Apellidos", "Nombre",
    "Fecha de nacimiento", "Teléfono", "Cognome", "Data di nascita", "Codice fiscale", "Achternaam", "Geboortedatum",
    "Nazwisko", "Data urodzenia", "PESEL", "Jméno", "Rodné číslo", "Soyadı", "Doğum tarihi", "Personnummer",
    "Fødselsdato", "Фамилия", "Дата рождения", "Ονοματεπώνυμο", "姓名", "出生日期", "氏名", "生年月日", "성명", "생년월일", "الاسم",
    "patient_name", "Patient's Name", "Subject Initials", "DOB", "dateOfBirth", "MRN", "E-Mail", "phone_number",
    "referring physician", "Comments", "Bemerkung", "Kommentar", "patient.name", "Address2", "name_of_patient",
])
def test_columns_about_a_person(name):
    assert identifying_column(name)


@pytest.mark.parametrize("name", [
    "file", "filename", "age", "Alter", "sex", "Geschlecht", "site", "birth_weight_g", "view", "scanner", "manufacturer",
    "model_name", "protocol", "kVp", "region", "Groesse", "bmi", "icv", "kosten", "probe_type", "media_type", "eid",
    "31-0.0", "patient_age", "portable", "scan_date", "orig_height", "diagnosis", "fold", "split", "Finding Labels",
])
def test_columns_that_are_not(name):
    assert not identifying_column(name)


@pytest.mark.parametrize("text", [
    "Mueller_Hans", "MÜLLER_HANS", "müller hans 1960", "MuellerHans", "DOE^JANE", "Doe^John^A", "scans/Garcia_Maria/t1.nii",
    "Dr. Z", "Frau Xylander", "Herr_Quast", "19600505", "1960-05-05", "05.05.1960", "05051960", "geb 05.05.2010",
    "MRN 1234567", "pat_id_998877", "Vorname: Erika", "erika@example.org", "+49 221 123456", "123-45-6789", "王小明",
    "山田太郎", "김철수", "Иванова", "محمد", "A123456780", "850101-1234", "T1_sag_Schmidt",
])
def test_texts_about_a_person(text):
    assert looks_identifying(text)


@pytest.mark.parametrize("text", [
    "img_000.png", "sub-01/ses-2/anat/sub-01_T1w.nii.gz", "00000001_000.png", "LIDC-IDRI-0001/scan.dcm", "t1_tse_sag_384",
    "L-Spine sag T2", "1.2.840.113619.2.55.3.19850101.12345.6", "IM-0001-0002.dcm", "MR Brain", "patient0012/study1",
    "20210301_scan", "2015-03-01", "CHEST", "LWS", "头部", "脊椎", "Siemens", "Philips", "x/1.png", "0001/0002345.dcm",
    "study_2012_01", "", "---", "T1 MPRAGE 1mm iso", "mean_abdomen", "dr_chest_pa", "MG R MLO", "Головной мозг", "p0/p0_a.png",
])
def test_texts_that_are_not(text):
    assert looks_identifying(text) is None
