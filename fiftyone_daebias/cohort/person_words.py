"""Words by which a column, a file name or a says that it is about one person, in the languages of many clinics.

Everything here is compared without letter case and without accents. The lists hold what is common, not everything:
they add to what the files themselves say of a person, and to the rule that with many values is not stored.
"""

from __future__ import annotations

#: whole column names, without spaces and signs, that mean a person's name, birth, address, contact, number or comments
COLUMN_NAMES = frozenset(
    # names
    """name names vorname vornamen nachname nachnamen familienname zuname geburtsname rufname patientenname prenom
    nom nomdefamille nomcomplet nomprenom nompatient nombre nombres apellido apellidos primerapellido segundoapellido
    nombrecompleto cognome nomeecognome nome nomi nomecompleto sobrenome apelido voornaam achternaam naam
    roepnaam geboortenaam fornamn efternamn namn fornavn etternavn efternavn navn slektsnavn imie nazwisko
    imieinazwisko jmeno prijmeni krestnijmeno vezeteknev keresztnev nev teljesnev adi soyadi soyad isim adsoyad etunimi
    sukunimi nimi perekonnanimi eesnimi prenume nume numele ime prezime priimek initials initialen fullname
    firstname lastname surname givenname forename middlename maidenname familyname birthname patientname subjectname
    participantname mothersname fathersname aliasname nickname patname patientsname fname lname
    имя фамилия отчество фио имяпациента ονομα επωνυμο ονοματεπωνυμο 姓名 名字 氏名 患者名 患者氏名 名前 이름
    성명 환자명 الاسم اسم اسمالمريض שם שםמשפחה שםפרטי नाम ชื่อ
    """.split()
    # birth
    + """dob dobdate birthdate birthday birthdt dateofbirth birthofdate patientbirthdate patientsbirthdate geburtsdatum
    geburtstag gebdatum gebdat geb geborenam ddn datedenaissance datenaissance naissance fechadenacimiento
    fechanacimiento fnac fechanac datadinascita datanascita datadenascimento datanascimento geboortedatum fodelsedatum
    fodelsedag fodselsdato fodselsdag fodselsdag dataurodzenia datumnarozeni datumnarodenia szuletesidatum dogumtarihi
    syntymaaika datanasterii datumrodjenja birthplace placeofbirth geburtsort lieudenaissance lugardenacimiento
    luogodinascita датарождения дрожд ημερομηνιαγεννησης 出生日期 生日 生年月日 생년월일 تاريخالميلاد תאריךלידה
    """.split()
    # addresses and contacts
    + """address adresse anschrift strasse street streetname hausnummer plz postleitzahl wohnort zip zipcode
    postcode postalcode codepostal adressepostale rue ville domicile direccion domicilio calle codigopostal indirizzo
    endereco morada cep adres straat woonplaats gatuadress postnummer postadress gateadresse adresseveien
    ulica kodpocztowy adresa psc lakcim iranyitoszam adresi postinumero osoite адрес индекс διευθυνση 地址 住址 住所
    郵便番号 주소 العنوان כתובת phone telephone telefon telefonnummer handy handynummer mobil mobilenumber
    mobilnummer festnetz rufnummer phonenumber fax faxnummer telephonenumber telefono celular movil cellulare
    telefone telemovel telefoon telefoonnummer puhelin telefonszam telefonu cep cepno телефон τηλεφωνο 电话 手机
    电话号码 電話番号 電話 전화번호 전화 الهاتف טלפון email emailaddress mail emailadresse courriel correo
    correoelectronico postaelettronica sahkoposti эпочта 邮箱 メール 이메일 contact kontakt contacto contatto
    emergencycontact nextofkin notfallkontakt angehoerige angehorige
    """.split()
    # numbers of a person
    + """mrn ssn sin nhs nhsnumber nhsno chinumber nino nationalid nationalidnumber idcard idcardnumber passport
    passportnumber passportno hospitalnumber hospitalno medicalrecordnumber socialsecuritynumber insurancenumber
    insuranceid insuranceno healthcardnumber healthcard hcn medicarenumber medicareno medicaidnumber
    versichertennummer versichertennr versicherungsnummer versnr kvnr kvnummer krankenkasse krankenkassennummer
    sozialversicherungsnummer svnr svnummer ahv ahvnummer ahvnr steuerid personalausweis ausweisnummer fallnummer
    fallnr aufnahmenummer nss numerosecu numerosecuritesociale securitesociale ipp numerodossier dni nie nif
    numerohistoria historiaclinica nhc seguridadsocial cip codicefiscale tesserasanitaria cpf sns utente
    bsn burgerservicenummer personnummer personnr cpr cprnr cprnummer fodselsnummer fodselsnr henkilotunnus hetu
    pesel rodnecislo taj tajszam tckimlik tckimlikno tcno cnp oib jmbg снилс полис инн αμκα 身份证 身份证号 身份证号码
    病历号 住院号 门诊号 マイナンバー 保険証番号 주민등록번호 주민번호 رقمالهوية תז תעודתזהות
    aadhaar aadhar curp rut rfc accession
    accessionnumber accessionno accnr accnumber auftragsnummer licenseplate kennzeichen iban kontonummer
    bankaccount creditcard ipaddress
    """.split()
    # people around
    + """physician physicians doctor doctorname referringphysician referrer referringdoctor radiologist reader
    readername operator operatorname operatorsname technician radiographer arzt aerztin hausarzt zuweiser ueberweiser
    uberweiser behandler behandelnderarzt befunder medecin medecintraitant docteur medico medicotratante
    dottore arts
    huisarts lakare lekarz lekar orvos doktor laakari врач лечащийврач γιατρος 医生 医師 主治医 担当医
    의사 gpname mother father
    spouse guardian employer arbeitgeber
    """.split()
    # free
    + """comment comments remark remarks note notes freetext freitext bemerkung bemerkungen kommentar
    kommentare anmerkung anmerkungen notiz notizen befund befundtext befundbericht anamnese vorgeschichte beurteilung
    commentaire commentaires remarque remarques compterendu observations observaciones comentario
    comentarios notas informe osservazioni commento commenti note referto observacoes comentarios laudo opmerking
    opmerkingen anmarkning kommentarer uwagi komentarz poznamka poznamky megjegyzes aciklama notlar huomautus
    примечание комментарий заключение σχολια 备注 注释 备注信息 備考 コメント 所見 비고 메모 ملاحظات הערות
    medicalhistory clinicalhistory reporttext radiologyreport
    """.split()
)
#: parts of a column's name that are enough wherever they stand in it
COLUMN_PARTS = (
    "vorname",
    "nachname",
    "familienname",
    "patientenname",
    "firstname",
    "lastname",
    "surname",
    "givenname",
    "forename",
    "middlename",
    "maidenname",
    "fullname",
    "patientname",
    "patientsname",
    "nomdefamille",
    "prenom",
    "apellido",
    "cognome",
    "achternaam",
    "voornaam",
    "efternamn",
    "nazwisko",
    "prijmeni",
    "soyad",
    "sukunimi",
    "birthdate",
    "dateofbirth",
    "birthday",
    "geburtsdatum",
    "geburtstag",
    "geburtsort",
    "gebdat",
    "datedenaissance",
    "datenaissance",
    "fechadenacimiento",
    "fechanacimiento",
    "datadinascita",
    "datanascita",
    "datadenascimento",
    "geboortedatum",
    "fodelsedatum",
    "fodselsdato",
    "dataurodzenia",
    "birthplace",
    "address",
    "anschrift",
    "strasse",
    "hausnummer",
    "zipcode",
    "postcode",
    "postalcode",
    "postleitzahl",
    "codepostal",
    "codigopostal",
    "wohnort",
    "direccion",
    "domicilio",
    "indirizzo",
    "telefon",
    "telephone",
    "phonenumber",
    "handynummer",
    "mobilnummer",
    "faxnummer",
    "emailad",
    "nextofkin",
    "socialsecurity",
    "insurancenumber",
    "insuranceid",
    "versicherungsnummer",
    "versichertennummer",
    "sozialversicherung",
    "krankenkass",
    "medicalrecord",
    "securitesociale",
    "seguridadsocial",
    "codicefiscale",
    "nationalid",
    "passport",
    "personnummer",
    "fodselsnummer",
    "burgerservice",
    "physician",
    "operatorsname",
    "hausarzt",
    "zuweisend",
    "ueberweisend",
    "freetext",
    "freitext",
    "фамилия",
    "отчество",
    "датарождения",
    "телефон",
    "姓名",
    "氏名",
    "出生日期",
    "生年月日",
    "身份证",
    "电话",
    "電話",
    "생년월일",
    "전화번호",
    "주민등록",
    "الاسم",
    "تاريخالميلاد",
)

#: given names; those that are common words in file names of a clinic (max, art, mark, may …) are left out
GIVEN_NAMES = frozenset(
    """aaron abdul abdullah adele adrian agata agnes agnieszka ahmad ahmed aisha akira albert alberto aleksander
    aleksandra alessandra alessandro alexander alexandra alexandre alexei alfred alfredo ali alice alicia alina
    alison alvaro amanda amelie amina amir ana anastasia anders andre andrea andreas andrei andrew andrzej
    angela angelika anita anja anke anna annabelle anne annegret anneliese annette annika antoine anton antonia
    antonio arthur arturo astrid ayse barbara bartosz beata beate beatrice beatriz benedikt benjamin bernadette
    bernard bernd bernhard bettina birgit birgitte bjorn bogdan brenda brian brigitte britta bruno camila
    camille carina carla carlo carlos carmen carolina caroline caterina catherine cecile celine chantal charles
    charlotte christa christian christiana christina christine christoph christophe christopher clara claude
    claudia claudio clemens clement concetta conrad cornelia cristina cynthia dagmar daniel daniela daniele
    danielle danuta david deborah denise dennis detlef diana diego dieter dietmar dimitri dirk dmitri dmitry
    dolores dominik dominique donald donatella dora doris dorota dorothea dorothee eberhard eduard eduardo
    edward ekaterina eleanor elena eleonora elfriede elif elisa elisabeth elizabeth elke ellen elsa emanuel emil
    emilia emilie emily emma emmanuel enrico enrique eric erich erik erika erna ernst erwin esther etienne eugen
    eva evelyn ewa fabian fabien fabio fatima fatma federica federico felicitas felipe felix ferdinand fernanda
    fernando filip flavia florian francesca francesco francisca francisco francois francoise franz franziska
    frederic frederik friedrich frieda fritz gabriel gabriele gabriela gabriella galina geoffrey georg georgina
    gerald gerard gerda gerhard gertrud gilles gina giacomo giorgio giovanna giovanni giulia giuseppe gisela
    giuseppina gonzalo gordon gottfried gregor gudrun guenter guenther guido guillaume gunter gunther
    gustav halina hannah hannelore hannes hans harald hartmut hasan hassan heather hedwig heidi heike heiko
    heiner heinrich heinz helen helena helene helga helmut hendrik henri henrik henry herbert hermann herta
    hilde hildegard hiroshi holger horst hubert hugo hussein ibrahim ignacio igor ilse imke inga inge ingeborg
    ingo ingrid irena irene irina irma isabel isabella isabelle ivana ivan jacek jacob jacqueline jakob jakub
    james jana janina janine jannik jaroslav javier jeanne jeffrey jennifer jens jeremy jerzy jessica
    joachim joan joanna joao jochen johan johann johanna johannes john jonas jonathan jorge jose josef joseph
    josephine joshua juan juana juergen jurgen judith julia julian juliane julie julien julio jutta kamil karen
    karim karin karl karola karolina katarina katarzyna katharina kathleen kathrin katja katrin kazimierz
    kenneth kenji kerstin kevin khalid klara klaus konrad konstantin krzysztof kristin kristina kurt larissa
    lars laszlo laura laurent leila lena leonard leonardo leonie leopold lieselotte linda lisa lothar louis
    louise luca lucas lucia lucie luciano ludmila ludwig luis luisa lukas lydia magdalena maike malgorzata
    manfred manuel manuela marcel marcello marco marcos marek margaret margarete margarita margit margot maria
    mariam marianne marie mario marion marius marlene markus marta martha martin martina mary maryam
    mathias mathilde mats matteo matthew matthias maurice mauricio maurizio maximilian mehmet melanie mercedes
    michael michaela michal michel michele michelle miguel mikael mikhail mila milan miriam mohamed mohammad
    mohammed moritz muhammad mustafa nadia nadine nadja natalia natalie natasha nathalie nicholas nicolas nicole
    niklas nikola nikolai nikolaus nina noemi nora norbert olaf oleg olga oliver olivia olivier omar oskar osman
    oswald otto pablo pamela paola paolo patricia patricio patrick patrizia paul paula paulina pauline pawel
    pedro petra petr peter philipp philippe phillip piero pierre pietro piotr rafael rafal raffaele rainer ralf
    ralph ramona raquel raul rebecca regina regine reinhard reinhold renata renate rene ricardo riccardo richard
    rita robert roberta roberto rodrigo roger roland rolf rosa rosemarie rudolf ruediger ruth ryan sabina
    sabine salvatore samantha samira samuel sandra sara sarah sascha sebastian sergei sergej sergio sharon
    sibylle siegfried sigrid silke silvia simona simone sonja sophia sophie stanislaw stefan
    stefania stefanie stefano steffen stephan stephanie stephen steven susan susanne suzanne svenja svetlana
    sven sylvia sylvie takashi tamara tania tatiana tatjana teresa theodor theresa therese thierry thomas
    thorsten tiago tilman timothy tina tobias tomas tomasz torsten ulrich ulrike ursula ute uwe valentina
    valerie vanessa verena veronika vicente viktor vincent vincenzo virginie vladimir volker waldemar
    walburga walter waltraud wanda wenke werner wilfried wilhelm william winfried wojciech wolfgang xavier
    yasmin yasmine yuki yusuf yves yvonne zbigniew zeynep zofia
    """.split()
)
#: family names; those that are words too (long, young, king, koch …) are left out
FAMILY_NAMES = frozenset(
    """abramov albrecht alvarez andersen anderson andersson antonov arnold baumann bauer becker bergmann bernasconi
    bianchi brandt braun brunner carlsson castillo castro chavez christensen christiansen colombo conti
    cruz davies delgado devries diaz dietrich dubois dupont dumont durand eriksen eriksson esposito evans
    fernandes fernandez ferrari ferreira fischer flores fontaine fournier friedrich fuchs garcia gauthier
    gimenez girard gomez gomes gonzales gonzalez gonzalves gupta gustafsson gutierrez haas hahn hansen
    hansson hartmann hernandez herrmann hoffmann hofmann horvath huber ivanov ivanova jakobsen janssen janssens
    jansen jensen jimenez johansen johansson johnson jones jorgensen karlsson kaya keller khan kim
    kowalczyk kowalska kowalski kraus krause kruger krueger kuhn kumar kuznetsov larsen larsson leclerc
    lefebvre lehmann leroy lewandowski lindberg lombardi lopes lopez lorenz ludwig madsen maier marchand marino
    martinez martins mayer mehta meier melnik mendoza mercier meyer mitchell moller moeller mohr molina morales
    moreau moreira moreno moretti morin mueller mukherjee muller munoz nagy navarro neumann nguyen nielsen
    nilsson novak novakova nowak oconnor oliveira olsen olsson ortega ortiz ozturk papadopoulos patel pereira
    perez petersen petersson petrov petrova pettersson pfeiffer pichler popescu popov ramirez ramos rasmussen
    reyes ribeiro ricci richter riviera robinson rodrigues rodriguez romano rossi rousseau roux ruiz russo ryan
    sanchez santos sato schaefer schafer scherer schmid schmidt schmitt schmitz schneider scholz schreiber
    schroder schroeder schubert schulte schultz schulz schulze schumacher schuster schwarz seidel sharma silva
    simonsen singh sliwinski smirnov smith sokolov sorensen soares sousa souza suzuki svensson szabo tanaka
    taylor thompson toth torres vanderberg vargas vasquez vazquez visser vogel vogt volkov wagner walker
    watanabe weber weiss wenzel werner wiliams williams winkler wisniewski wojcik yamamoto
    yildirim yilmaz zhang zielinski zimmermann
    """.split()
)
#: family names of one sign in Chinese and Korean, and common Japanese ones
CHINESE_FAMILY = (
    "王李张張刘劉陈陳杨楊黄黃赵趙吴吳周徐孙孫马馬朱胡郭何林罗羅郑鄭梁谢謝宋唐许許韩韓冯馮邓鄧曹彭曾肖田董袁潘于蒋蔣蔡余杜叶葉程苏蘇"
    "魏吕呂丁任沈姚卢盧姜崔钟譚谭陆陸汪范"
)
JAPANESE_FAMILY = (
    "佐藤",
    "鈴木",
    "高橋",
    "田中",
    "伊藤",
    "渡辺",
    "渡邊",
    "山本",
    "中村",
    "小林",
    "加藤",
    "吉田",
    "山田",
    "佐々木",
    "山口",
    "松本",
    "井上",
    "木村",
    "斎藤",
    "清水",
    "山崎",
    "阿部",
    "池田",
    "橋本",
    "山下",
    "石川",
    "中島",
    "前田",
    "藤田",
    "小川",
    "岡田",
    "後藤",
)
KOREAN_FAMILY = "김이박최정강조윤장임한오서신권황안송류전홍"
ARABIC_NAMES = (
    "محمد",
    "أحمد",
    "احمد",
    "علي",
    "حسن",
    "حسين",
    "فاطمة",
    "عائشة",
    "مريم",
    "يوسف",
    "عمر",
    "خالد",
    "ابراهيم",
    "إبراهيم",
    "عبدالله",
    "سارة",
    "زينب",
    "مصطفى",
)
HEBREW_NAMES = ("כהן", "לוי", "דוד", "משה", "יוסף", "אברהם", "שרה", "רחל", "מזרחי", "פרץ", "יעקב", "חנה")
#: endings of patronymics and family names in Cyrillic
CYRILLIC_ENDINGS = ("ович", "евич", "овна", "евна", "ична", "инична", "енко", "ский", "ская", "ов", "ова", "ев", "ева")
